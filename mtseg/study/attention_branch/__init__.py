"""The study of attention branch networks: slices of CT, attention taught by a mask, two losses."""
