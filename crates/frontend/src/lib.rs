//! yubin-frontend
