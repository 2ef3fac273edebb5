//! Parameters of Content fields to text, file names above all: RFC 2231 continuations, charsets and percent encoding.
//!
//! Tolerant, as mail needs: RFC 2047 words and raw 8-bit text in values are decoded too, though no RFC allows them.
//! Segments are put in their order whatever order they came in; their number is bounded where they were parsed.

use crate::charset::decode_text;
use crate::encoded_word::decode_header;
use crate::mime::Param;
use crate::transfer::hex;

/// Names in lower case and values of all parameters, as text, by name.
///
/// ```
/// use yubin_message::{Disposition, param_texts};
/// let field = Disposition::parse(b"attachment; filename*0*=utf-8''%E5%B1%B1; filename*1=.txt");
/// let params = field.map(|it| it.params).unwrap_or_default();
/// assert_eq!(param_texts(&params), [("filename".to_owned(), "山.txt".to_owned())]);
/// ```
pub fn param_texts(params: &[Param]) -> Vec<(String, String)> {
    let mut segments: Vec<Segment<'_>> = params.iter().map(Segment::new).collect();
    segments.sort_by(|a, b| (&a.name, a.number).cmp(&(&b.name, b.number)));
    let same = |a: &Segment<'_>, b: &Segment<'_>| a.name == b.name && b.number != Some(0) && b.number.is_some();
    segments
        .chunk_by(same)
        .map(|group| (group.first().map(|it| it.name.clone()).unwrap_or_default(), text(group)))
        .collect()
}

/// `name*number*=value`, number and second star optional.
struct Segment<'a> {
    name: String,
    number: Option<u32>,
    is_encoded: bool,
    value: &'a [u8],
}

impl<'a> Segment<'a> {
    fn new(param: &'a Param) -> Self {
        let full = String::from_utf8_lossy(&param.name).to_ascii_lowercase();
        let (rest, is_encoded) = full.strip_suffix('*').map_or((full.as_str(), false), |rest| (rest, true));
        let numbered = rest.split_once('*').and_then(|(name, number)| Some((name, number.parse().ok()?)));
        let (name, number) = numbered.map_or((rest, None), |(name, number)| (name, Some(number)));
        Segment { name: name.to_owned(), number, is_encoded, value: &param.value }
    }
}

/// The text of the segments of one parameter.
fn text(segments: &[Segment<'_>]) -> String {
    if !segments.iter().any(|segment| segment.is_encoded) {
        let value: Vec<u8> = segments.iter().flat_map(|segment| segment.value).copied().collect();
        return decode_header(&value);
    }
    let mut charset: Option<&[u8]> = None;
    let mut bytes = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let mut value = segment.value;
        if index == 0 && segment.is_encoded {
            // charset'language'value
            let mut fields = value.splitn(3, |&byte| byte == b'\'');
            if let (Some(label), Some(_), Some(rest)) = (fields.next(), fields.next(), fields.next()) {
                charset = Some(label);
                value = rest;
            }
        }
        if segment.is_encoded { percent_decode(value, &mut bytes) } else { bytes.extend_from_slice(value) }
    }
    decode_text(charset, &bytes)
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::ContentType;

    #[test]
    fn names_of_files() {
        let table = [
            ("name=\"a b.txt\"", "name=a b.txt"),
            ("name*=utf-8'ja'%E5%B1%B1.txt", "name=山.txt"),
            ("name*=ISO-2022-JP''%1B%24B%3B3%1B%28B", "name=山"),
            ("NAME*1=c; name*0=ab", "name=abc"),
            // A character split between two segments.
            ("name*0*=utf-8''%E5%B1; name*1*=%B1; name*2=.txt", "name=山.txt"),
            ("name=\"=?utf-8?B?5bGx?=\"", "name=山"),
            ("name*=no-quotes%41", "name=no-quotesA"),
            ("name*=x''%zz%4", "name=%zz%4"),
            ("name*0=a; name*0=b", "name=a name=b"),
            ("charset=x; name=y", "charset=x name=y"),
            ("name*x=1; *=2", "=2 name*x=1"),
        ];
        for (params, want) in table {
            let field = ContentType::parse(format!("a/b; {params}").as_bytes()).expect("a type");
            let got: Vec<String> =
                param_texts(&field.params).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(got.join(" "), want, "{params}");
        }
    }
}
