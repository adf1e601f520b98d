-- Marks the hotels that no token sees any more: those of mews.enterprises last seen by one of the tokens that answered,
-- $answered, and listed by none of them now. A token that could not be asked says nothing about its hotels; where every
-- token answered, $all_answered, so do those that were taken out of the settings.
UPDATE mews.enterprises
SET is_in_scope = false
WHERE
    is_in_scope
    AND ($all_answered OR token_fingerprint IN (SELECT unnest($answered::VARCHAR[])))
    AND id NOT IN (SELECT unnest($listed::VARCHAR[]));
