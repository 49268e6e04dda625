//! Enums that list themselves: a variant that is added is in `ALL`, for there is no second list to forget it in.

/// Declares an enum and its `ALL`; where each variant is given a name, also its `name`.
macro_rules! closed_set {
    ($(#[$about:meta])* pub enum $set:ident { $($(#[$said:meta])* $variant:ident = $name:literal,)+ }) => {
        closed_set! {
            $(#[$about])*
            pub enum $set { $($(#[$said])* $variant,)+ }
        }

        impl $set {
            /// The name it is stored under and shown by.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
    ($(#[$about:meta])* pub enum $set:ident { $($(#[$said:meta])* $variant:ident,)+ }) => {
        $(#[$about])*
        pub enum $set { $($(#[$said])* $variant,)+ }

        impl $set {
            /// All of them, in the order they are declared in.
            pub const ALL: [Self; [$(stringify!($variant)),+].len()] = [$(Self::$variant),+];
        }
    };
}

pub(crate) use closed_set;
