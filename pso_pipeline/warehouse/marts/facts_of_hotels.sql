-- new_facts: the facts of a batch of whole hotels. Source: order_facts.
-- Reason: so many that making them for each table that needs them costs less than keeping them.
CREATE OR REPLACE TEMP VIEW new_facts AS FROM order_facts;
