from digits import build_model, load_data

import detcost

fit = detcost.keras.fit_step(build_model, load_data, batch_size=64)
