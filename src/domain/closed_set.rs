//! Enums with a generated list of their variants. A new variant is in `ALL` without a second list to maintain.

/// Declares an enum and its `ALL`. If every variant has a name, also declares `name` and `NAMES`.
macro_rules! closed_set {
    ($(#[$about:meta])* pub enum $set:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        closed_set! {
            $(#[$about])*
            pub enum $set { $($(#[$doc])* $variant,)+ }
        }

        impl $set {
            /// The names of all variants, in the order of their declaration.
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($name),+];

            /// The name under which the variant is stored and displayed.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
    ($(#[$about:meta])* pub enum $set:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$about])*
        pub enum $set { $($(#[$doc])* $variant,)+ }

        impl $set {
            /// All variants, in the order of their declaration.
            pub const ALL: [Self; [$(stringify!($variant)),+].len()] = [$(Self::$variant),+];
        }
    };
}

pub(crate) use closed_set;
