"""`kopfka bench`: measures the bundled broker, side by side with Apache Kafka, on the machine it runs on."""
