//! What all names that are written as text have in common: they are shown as they are written, and `str::parse` reads them.

/// `Debug` by `Display`, and `FromStr` by the type's own `parse`.
macro_rules! text_conversions {
    ($name:ty) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}")
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::AddressError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
    };
}

pub(crate) use text_conversions;
