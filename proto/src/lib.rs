//! yubin-proto
