-- Takes the services in `progress` from mews.missing_candidates: their full read has ended.
DELETE FROM mews.missing_candidates WHERE endpoint = 'product_service_orders' AND scope_id IN (SELECT service_id FROM progress);
