//! A long text with all that JSON, UTF-8 and lines make difficult, and the hash by which it is known again.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) text: String,
    path: PathBuf,
}

impl Payload {
    /// A text of this many bytes, kept in this folder. All its lines differ. It has no slash, so
    /// that it is a name of one part where a server takes it for a path.
    pub(crate) fn new(folder: &Path, bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes + 128);
        let mut line = 0;
        while text.len() < bytes {
            text += &format!("{line:08} \"quoted\" back\\slash \t tab, é, 漢, 🚇, \u{2028}, <end>, data: x\n");
            line += 1;
        }
        let mut end = bytes;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text += &"x".repeat(bytes - end);
        let path = folder.join(format!("payload-{bytes}"));
        std::fs::write(&path, &text).unwrap();
        Self { text, path }
    }

    /// An argument that stands for the whole text.
    pub(crate) fn argument(&self) -> Value {
        json!({"$file": self.path})
    }

    /// These arguments with the whole text where it is only stood for.
    pub(crate) fn put_into(&self, arguments: &Value) -> Value {
        match arguments {
            Value::Object(members) if members.contains_key("$file") => json!(self.text),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.put_into(value))).collect()
            }
            Value::Array(values) => values.iter().map(|value| self.put_into(value)).collect(),
            other => other.clone(),
        }
    }

    /// A name that tells it from payloads of other sizes.
    pub(crate) fn name(&self) -> String {
        format!("payload-{}", self.text.len())
    }
}

/// In hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
