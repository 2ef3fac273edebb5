//! POP3 server sessions.
