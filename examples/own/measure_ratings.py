import ratings

import detcost


def step(*batch):
    return ratings.train_step(*batch), ratings.optimizer.variables, ratings.users.weights


adam = detcost.callable(step, ratings.load_batch)
