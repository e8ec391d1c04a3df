from transformer import build_model, load_batch

import detcost

block = detcost.keras.train_batch(build_model, load_batch)
