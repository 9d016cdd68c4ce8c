"""The testbed's networks: two encoders, an autoencoder, two generators and a judge."""
