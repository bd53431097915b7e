"""What both sides of SASL share: `sasl.jaas.config`, and the messages and maths of SCRAM."""
