"""The robot's parameters and the MuJoCo model made from them."""
