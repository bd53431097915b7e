"""Which instance writes: elected through Kafka's group protocol, fenced by its producer's epoch; the others forward."""
