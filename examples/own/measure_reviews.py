import detcost

inference = detcost.keras.file("reviews.keras")
