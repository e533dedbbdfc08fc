//! `index.txt`, in which `openssl ca` keeps what it has issued: a line a certificate, six fields with tabs between
//! them (state, end of validity, revocation, serial number, file name, subject).

use data_encoding::HEXUPPER_PERMISSIVE;

use super::tlv::encode;
use super::x509::moment;

/// What the CA has noted of a certificate, what can come of another one behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// V.
    Valid,
    /// E.
    Expired,
    /// R.
    Revoked,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// What the CA has noted.
    pub state: State,
    /// End of validity, Unix seconds.
    pub until: i64,
    /// Serial number, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Subject, as OpenSSL writes it on one line.
    pub subject: &'a [u8],
}

/// One line without its end. `None` if it is none of such a file.
#[must_use]
pub fn line(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b'\t');
    let state = match fields.next()? {
        b"V" => State::Valid,
        b"R" => State::Revoked,
        b"E" => State::Expired,
        _ => return None,
    };
    let [until, _revoked, serial, _file, subject] =
        [fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?];
    if fields.next().is_some() || serial.len() > 80 {
        return None;
    }
    // OpenSSL drops the zero in front of an odd count of digits in none of its versions; others do.
    let digits = if serial.len() % 2 == 1 { [b"0", serial].concat() } else { serial.to_vec() };
    let serial = HEXUPPER_PERMISSIVE.decode(&digits).ok()?;
    let tag = if until.len() > 13 { 0x18 } else { 0x17 };
    let until = moment(&encode(tag, until))?;
    Some(Line { state, until, serial: super::curve::significant(&serial).to_vec(), subject })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn lines_as_openssl_writes_them() {
        let valid = line(b"V\t361127214500Z\t\t1000\tunknown\t/CN=leaf one").unwrap();
        assert_eq!(
            (valid.state, valid.serial.as_slice(), valid.subject),
            (State::Valid, &[0x10, 0][..], &b"/CN=leaf one"[..])
        );
        let revoked =
            line(b"R\t20561127214500Z\t261130214500Z,keyCompromise\t01\tunknown\t/CN=leaf\r").unwrap();
        assert_eq!((revoked.state, revoked.serial.as_slice()), (State::Revoked, &[1][..]));
        assert_eq!(revoked.until - valid.until, 7_305 * 86_400);
        for none in [
            &b""[..],
            b"V",
            b"V\t\t\t\t\t",
            b"X\t361127214500Z\t\t01\tunknown\t/CN=x",
            b"V\t361127214500Z\t\tzz\tu\t/",
        ] {
            assert_eq!(line(none), None);
        }
    }
}
