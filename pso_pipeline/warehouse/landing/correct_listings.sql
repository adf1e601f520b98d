-- Takes from mews.service_listings what was listed after $latest.
DELETE FROM mews.service_listings WHERE listed_utc > $latest OR watermark_utc > $latest;
