"""The recipe of the synthetic portrait testbed: pictures, networks, training, export."""
