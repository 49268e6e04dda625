//! Holds the shape of the house.
