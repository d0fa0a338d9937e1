//! The first packet of a PostgreSQL connection: recognised, never interpreted further.

/// The longest first packet that PostgreSQL takes.
pub const MAX_STARTUP_PACKET: usize = 10_000;
/// The longest request to cancel: PostgreSQL 18 has keys of up to 256 bytes.
const MAX_CANCEL_REQUEST: usize = 12 + 256;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// What a client begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A startup packet of protocol 3.
    Startup,
    /// A request for encryption (TLS or GSSAPI), which is answered with one byte.
    EncryptionRequest,
    /// A request to cancel a query of another connection.
    Cancel,
    /// TLS at once (PostgreSQL 17, `sslnegotiation=direct`).
    DirectTls,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// Too few bytes to say.
    TooShort,
    /// A packet of this kind and this length.
    Packet(Opening, usize),
    /// Not PostgreSQL's protocol.
    Foreign,
}

/// Looks at the first bytes of a connection. Foreign bytes are recognised as early as they can be.
pub fn recognise(bytes: &[u8]) -> Recognised {
    use Recognised::{Foreign, Packet, TooShort};
    match bytes {
        // A TLS record of the type "handshake"; its length does not matter here.
        [0x16, 0x03, ..] => return Packet(Opening::DirectTls, bytes.len()),
        [] | [0x16] | [0] => return TooShort,
        [0, high, ..] if usize::from(*high) * 0x1_0000 <= MAX_STARTUP_PACKET => {}
        _ => return Foreign,
    }
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return TooShort };
    let length = u32::from_be_bytes(*length) as usize;
    if !(8..=MAX_STARTUP_PACKET).contains(&length) {
        return Foreign;
    }
    let Some((code, _)) = rest.split_first_chunk::<4>() else { return TooShort };
    match u32::from_be_bytes(*code) {
        SSL_REQUEST | GSS_REQUEST if length == 8 => Packet(Opening::EncryptionRequest, length),
        CANCEL_REQUEST if length <= MAX_CANCEL_REQUEST => Packet(Opening::Cancel, length),
        version if version >> 16 == 3 => Packet(Opening::Startup, length),
        _ => Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(length: u32, code: u32) -> Vec<u8> {
        [length.to_be_bytes(), code.to_be_bytes()].concat()
    }

    #[test]
    fn each_opening_is_recognised() {
        let cases = [
            (packet(8, SSL_REQUEST), Recognised::Packet(Opening::EncryptionRequest, 8)),
            (packet(8, GSS_REQUEST), Recognised::Packet(Opening::EncryptionRequest, 8)),
            (packet(16, CANCEL_REQUEST), Recognised::Packet(Opening::Cancel, 16)),
            (packet(268, CANCEL_REQUEST), Recognised::Packet(Opening::Cancel, 268)),
            (packet(41, 0x0003_0000), Recognised::Packet(Opening::Startup, 41)),
            (packet(10_000, 0x0003_0002), Recognised::Packet(Opening::Startup, 10_000)),
            (vec![0x16, 0x03, 0x01], Recognised::Packet(Opening::DirectTls, 3)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(recognise(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn foreign_bytes_are_recognised_early() {
        for bytes in [
            &b"G"[..],
            b"GET / HTTP/1.1",
            b"\x00\x01",
            b"\x00\x00\x00\x07",
            b"\x00\x00\x27\x11\x00\x03\x00\x00",
            b"\x00\x00\x00\x08\x00\x02\x00\x00",
            b"\x00\x00\x00\x09\x04\xd2\x16\x2f",
            b"\x16\x04",
        ] {
            assert_eq!(recognise(bytes), Recognised::Foreign, "{bytes:?}");
        }
    }

    #[test]
    fn a_prefix_of_a_packet_is_too_short() {
        let whole = packet(41, 0x0003_0000);
        for length in 0..8 {
            assert_eq!(recognise(&whole[..length]), Recognised::TooShort, "{length} bytes");
        }
        assert_eq!(recognise(&[0x16]), Recognised::TooShort);
    }
}
