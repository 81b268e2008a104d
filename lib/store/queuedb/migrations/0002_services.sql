-- How many queues a service has is counted when it subscribes to all of them.
CREATE INDEX queues_notifier_service ON queues (notifier_service_id) WHERE notifier_service_id IS NOT NULL;
