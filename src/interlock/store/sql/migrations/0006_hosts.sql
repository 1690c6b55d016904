-- What each worker works on, as it tells when it begins, for `interlock workers`.

ALTER TABLE workers ADD COLUMN hosts TEXT NOT NULL DEFAULT '{}';
