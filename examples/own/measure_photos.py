from photos import make_dataset

import detcost

pipeline = detcost.dataset(make_dataset)
