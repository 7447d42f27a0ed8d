-- Delivered texts, as the macros beside compare them.

-- A name for comparison: without case, punctuation and repeated spaces.
CREATE OR REPLACE MACRO otc_name_key(name) AS
    trim(regexp_replace(lower(name), '[^\p{L}\p{N}]+', ' ', 'g'));

-- A delivered text without spaces around it; null where it is blank or only says that it is.
CREATE OR REPLACE MACRO otc_given(words) AS
    CASE WHEN NOT regexp_full_match(words, '\s*(null|None|nan|NaN|N/A|NULL)?\s*')
        THEN regexp_replace(words, '^\s+|\s+$', '', 'g')
    END;
