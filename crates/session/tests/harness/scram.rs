//! A rim's part of SASL: the server of RFC 7677 §3, which knows the user `user` with the password `pencil`, and one nonce; and one token
//! that is good.

use yubin_session::sasl::{Question, Reply, ScramParameters, ScramProof};
use yubin_types::Secret;

/// `6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=`
const SIGNATURE: [u8; 32] = [
    0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea, 0x7e, 0x98, 0xc8, 0x54, 0x65,
    0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2, 0x39, 0x7d, 0xe4, 0x6e,
];

/// The answer to a question; `None`: the login is refused.
pub(crate) fn answer(question: Question, rejected: &mut bool) -> Option<Reply> {
    match question {
        Question::Token(bearer) => {
            *rejected = bearer.token != Secret::new("good");
            Some(if *rejected { Reply::Rejected } else { Reply::Granted })
        }
        Question::Scram { .. } => Some(Reply::Scram(ScramParameters {
            salt: vec![0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81],
            iterations: 4_096,
            nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(),
        })),
        Question::Proof(proof) => {
            *rejected = false;
            (proof == expected()).then_some(Reply::Proven { signature: SIGNATURE })
        }
    }
}

/// Does the claim to have proven something stand?
pub(crate) fn stands(rejected: &mut bool) -> bool {
    !std::mem::take(rejected)
}

fn expected() -> ScramProof {
    ScramProof {
        user: "user".to_owned(),
        auth_message: "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                       r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                       c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
            .to_owned(),
        proof: Secret::new([
            0x74, 0x7c, 0xdb, 0x65, 0xaa, 0x56, 0x22, 0x4e, 0x23, 0x52, 0x13, 0x7e, 0x52, 0xd7, 0xbd, 0xca, 0xd6, 0xa0,
            0xf7, 0x38, 0xdf, 0x30, 0x78, 0x2c, 0xaa, 0x69, 0xa2, 0xcf, 0xb0, 0x27, 0x75, 0x54,
        ]),
    }
}
