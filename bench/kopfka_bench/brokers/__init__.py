"""What is measured: the bundled broker and Apache Kafka as processes, and what it takes to get and start them."""
