import detcost

predict = detcost.saved_model("prices")
