"""What the plant's SCADA gets: topics, payloads with schemas, the outbox on its way, and the MQTT client."""
