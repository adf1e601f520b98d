-- new_facts: the facts of remade_orders. Source: order_facts.
-- Reason: few, and made once: each of the six joins begins with some MB of memory, however few rows come.
CREATE OR REPLACE TEMP TABLE changed_facts AS FROM order_facts;

CREATE OR REPLACE TEMP VIEW new_facts AS FROM changed_facts;
