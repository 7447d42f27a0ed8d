DELETE FROM otc_symbol_summary WHERE week_ending = ?
