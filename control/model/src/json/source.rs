//! Reading a tree into the types of the model by Go's rules.

use super::{DecodeError, Node};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use std::{fmt, slice};

/// A value to be read. Reading a structure puts the keys of its object into the spelling of the fields, there in the tree, and
/// drops all but the last of those that mean the same field.
pub(super) struct Source<'a>(&'a mut Node);

impl<'a> Source<'a> {
    pub(super) fn new(node: &'a mut Node) -> Self {
        Self(node)
    }

    fn mismatch<T>(&self, wanted: &str) -> Result<T, DecodeError> {
        Err(DecodeError::mismatch(wanted, self.0))
    }

    /// A whole number in range; `null` is 0.
    fn integer<T: TryFrom<i128>>(&self, least: i128, greatest: i128) -> Result<T, DecodeError> {
        let number = match &*self.0 {
            Node::Null => Some(0),
            Node::Number(number) => {
                number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from))
            }
            _ => None,
        };
        match number.filter(|n| (least..=greatest).contains(n)).map(T::try_from) {
            Some(Ok(number)) => Ok(number),
            _ => self.mismatch(&format!("a whole number from {least} to {greatest}")),
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.integer($type::MIN.into(), $type::MAX.into())?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Node::Text(text) => visitor.visit_str(text),
            Node::List(nodes) => visitor.visit_seq(Elements::new(nodes)),
            Node::Object(entries) => visitor.visit_map(Entries::new(entries)),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_bool(false),
            Node::Bool(value) => visitor.visit_bool(*value),
            _ => self.mismatch("true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_str(""),
            Node::Text(text) => visitor.visit_str(text),
            _ => self.mismatch("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_seq(Elements::new(&mut [])),
            Node::List(nodes) => visitor.visit_seq(Elements::new(nodes)),
            _ => self.mismatch("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_map(Entries::new(&mut [])),
            Node::Object(entries) => visitor.visit_map(Entries::new(entries)),
            _ => self.mismatch("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Node::Object(entries) = &mut *self.0 {
            spell_as_fields(entries, fields);
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Text(word) if words.contains(&word.as_str()) => {
                visitor.visit_enum(StrDeserializer::new(word))
            }
            Node::Text(word) => Err(DecodeError::unknown_variant(word, words)),
            _ => self.mismatch("a string"),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// Renames the keys that match a field in another case, and keeps of the keys of one field the last.
fn spell_as_fields(entries: &mut Vec<(String, Node)>, fields: &'static [&'static str]) {
    let mut is_taken = vec![false; fields.len()];
    entries.reverse();
    entries.retain_mut(|(key, _)| {
        let exact = fields.iter().position(|field| field == key);
        let Some(index) =
            exact.or_else(|| fields.iter().position(|field| matches_folded(key, field)))
        else {
            return true;
        };
        fields[index].clone_into(key);
        !std::mem::replace(&mut is_taken[index], true)
    });
    entries.reverse();
}

/// Whether the texts are equal but for case. Two letters outside of ASCII fold to letters inside, for Go too.
fn matches_folded(key: &str, field: &str) -> bool {
    let fold = |c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(field.chars().map(fold))
}

/// The start of a text from outside, short enough for an error.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The elements of a list, each under its index.
struct Elements<'a>(std::iter::Enumerate<slice::IterMut<'a, Node>>);

impl<'a> Elements<'a> {
    fn new(nodes: &'a mut [Node]) -> Self {
        Self(nodes.iter_mut().enumerate())
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Source(node)).map(Some).map_err(|error| error.under(&format!("[{index}]")))
    }
}

/// The entries of an object, each under its key.
struct Entries<'a> {
    rest: slice::IterMut<'a, (String, Node)>,
    /// The entry whose key has been read.
    current: Option<(&'a str, &'a mut Node)>,
}

impl<'a> Entries<'a> {
    fn new(entries: &'a mut [(String, Node)]) -> Self {
        Self { rest: entries.iter_mut(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.rest.next() else { return Ok(None) };
        self.current = Some((key, node));
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        let Some((key, node)) = self.current.take() else {
            return Err(DecodeError::new("a value was asked for before its key"));
        };
        seed.deserialize(Source(node)).map_err(|error| error.under(&step(key)))
    }
}

/// A key as a step of a path: quoted if it is more than letters, digits and what names are made of.
fn step(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if !key.is_empty() && key.len() <= 64 && key.chars().all(is_plain) {
        key.to_owned()
    } else {
        format!("[{:?}]", shortened(key))
    }
}

impl Error for DecodeError {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self::new(what.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Unit => "null",
            Unexpected::Bool(_) => "true or false",
            Unexpected::Str(_) => "a string",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "a number",
        };
        Self::new(format!("must be {wanted}, not {found}"))
    }

    fn unknown_variant(word: &str, words: &'static [&'static str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let word = shortened(word);
        Self::new(format!("the word {word:?} is not known here, only {}", words.join(", ")))
    }
}
