-- One row for each order of the landing: a hash of its id, the same for the length of a process.
SELECT hash(id) AS id_hash FROM frame;
