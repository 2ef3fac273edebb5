//! yubin-consensus
