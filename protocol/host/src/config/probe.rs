//! Asks serde structs for their keys, the unset ones too: a deserializer that reads nothing and
//! notes the field names that it is offered.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
    value::Error,
};
use serde::forward_to_deserialize_any;

/// The dotted paths of all fields that are not structs themselves.
pub(super) fn paths_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let mut leaves = BTreeSet::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        match offered::<T>(&path) {
            Some(found) => open.extend(found.names.iter().map(|name| {
                let mut longer = path.clone();
                if let (true, Some(last)) = (found.in_list, longer.last_mut()) {
                    last.push_str("[]");
                }
                longer.push((*name).to_owned());
                longer
            })),
            None => {
                leaves.insert(path.join("."));
            }
        }
    }
    leaves
}

/// The fields of the struct at `path`; `None` when something else is there.
fn offered<T: DeserializeOwned>(path: &[String]) -> Option<Found> {
    let found = RefCell::new(None);
    let probe = Probe {
        path,
        in_list: false,
        found: &found,
    };
    // It always fails: the probe has no values. What counts is what was noted on the way.
    let _ = T::deserialize(probe);
    found.into_inner()
}

struct Found {
    names: &'static [&'static str],
    in_list: bool,
}

#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [String],
    in_list: bool,
    found: &'a RefCell<Option<Found>>,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a probe has no values"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Probe {
            in_list: true,
            ..self
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.path.is_empty() {
            *self.found.borrow_mut() = Some(Found {
                names,
                in_list: self.in_list,
            });
            return self.deserialize_any(visitor);
        }
        visitor.visit_map(Probe {
            in_list: false,
            ..self
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        seed.deserialize(*self).map(Some)
    }
}

impl<'de> MapAccess<'de> for Probe<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let name = self
            .path
            .first()
            .map_or("", |name| name.trim_end_matches("[]"));
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let path = self.path.get(1..).unwrap_or(&[]);
        seed.deserialize(Probe { path, ..*self })
    }
}
