//! The macro for records: objects with known fields, read in one pass.

/// Declares a struct and how it is read from a JSON object.
///
/// Every field has a default, for when it is absent; the last of several equal keys counts. What has no name
/// here is kept in `rest`, in order. An error names the field it is in.
macro_rules! record {
    ($(#[$meta:meta])* struct $name:ident<$life:lifetime> { $($field:ident: $kind:ty = $key:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<$life> {
            $(pub(crate) $field: $kind,)*
            pub(crate) rest: Vec<$crate::json::Field<$life>>,
        }

        impl<'de: $life, $life> serde::Deserialize<'de> for $name<$life> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visit;

                impl<'de> serde::de::Visitor<'de> for Visit {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut record = $name::default();
                        while let Some(key) = map.next_key::<$crate::json::Text<'de>>()? {
                            match &*key {
                                $($key => {
                                    record.$field = map
                                        .next_value()
                                        .map_err(|error| $crate::json::below(&concat!(".", $key), &error))?;
                                })*
                                _ => {
                                    let value = map.next_value()?;
                                    record.rest.push($crate::json::Field { name: key, value });
                                }
                            }
                        }
                        Ok(record)
                    }
                }

                deserializer.deserialize_map(Visit)
            }
        }
    };
}

pub(crate) use record;
