CREATE TABLE otc_raw (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id TEXT NOT NULL,
    record_hash TEXT NOT NULL UNIQUE,
    week_ending TEXT NOT NULL,
    tier TEXT NOT NULL,
    symbol TEXT NOT NULL,
    issue_name TEXT,
    venue_name TEXT,
    mpid TEXT NOT NULL,
    share_volume INTEGER NOT NULL,
    trade_count INTEGER NOT NULL,
    source_file TEXT,
    ingested_at TEXT DEFAULT (datetime('now'))
);

CREATE TABLE otc_venue_volume (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    week_ending TEXT NOT NULL,
    tier TEXT NOT NULL,
    symbol TEXT NOT NULL,
    mpid TEXT NOT NULL,
    share_volume INTEGER NOT NULL,
    trade_count INTEGER NOT NULL,
    avg_trade_size TEXT,
    record_hash TEXT NOT NULL,
    normalized_at TEXT DEFAULT (datetime('now')),
    UNIQUE (week_ending, tier, symbol, mpid)
);

CREATE TABLE otc_symbol_summary (
    week_ending TEXT NOT NULL,
    tier TEXT NOT NULL,
    symbol TEXT NOT NULL,
    total_volume INTEGER NOT NULL,
    total_trades INTEGER NOT NULL,
    venue_count INTEGER NOT NULL,
    avg_trade_size TEXT,
    UNIQUE (week_ending, tier, symbol)
);

CREATE TABLE otc_venue_share (
    week_ending TEXT NOT NULL,
    mpid TEXT NOT NULL,
    total_volume INTEGER NOT NULL,
    total_trades INTEGER NOT NULL,
    symbol_count INTEGER NOT NULL,
    market_share_pct TEXT NOT NULL,
    rank INTEGER NOT NULL,
    UNIQUE (week_ending, mpid)
);
