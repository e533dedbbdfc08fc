//! What the tools show after a card was renewed, from a cache of before (`use_file_caching = public`).

use crate::stand::{Host, Kind, Layout, Recipe, Stand, opensc_version};
use crate::{kinds, peek, real, shown};
use stalecard::opensc::Version;

/// A card with two certificates, and a host that has listed it.
fn listed(kind: Kind) -> (Stand, crate::FileCard, Host) {
    let (stand, card) = Stand::with_file_card(kind, &["one", "two"]);
    let host = stand.host("alpha");
    host.caching("public");
    assert_eq!(shown(&host.pkcs15_list()), real(&card), "{kind:?}");
    (stand, card, host)
}

/// Whoever reads a whole file is answered by whatever is cached. A TCOS card's certificates are read by length.
#[test]
fn a_renewed_certificate_is_shown_as_it_was() {
    for kind in kinds().filter(|kind| *kind != Kind::Tcos) {
        let (_stand, mut card, host) = listed(kind);
        let old = real(&card);
        for longer_by in [0, 40, -80] {
            card.renew(0, longer_by);
            assert_eq!(peek(&host), old, "{kind:?}, longer by {longer_by}");
            assert_eq!(
                shown(&host.live().pkcs15_list()),
                real(&card),
                "{kind:?}: but the card has the new one"
            );
        }
        card.renew_all(0);
        assert_eq!(peek(&host), old, "{kind:?}, all");
    }
}

/// The directory is cached, too.
#[test]
fn a_certificate_more_or_less_is_not_noticed() {
    for kind in kinds().filter(|kind| kind.capacity() > 3) {
        let (_stand, mut card, host) = listed(kind);
        let old = real(&card);
        assert!(card.add("three"));
        assert_eq!(peek(&host), old, "{kind:?}, one more");
        assert!(card.remove(0));
        assert_eq!(peek(&host), old, "{kind:?}, another one less");
        assert_eq!(shown(&host.live().pkcs15_list()), real(&card), "{kind:?}");
    }
}

/// The header tells the length, and the header is read from the card. A longer certificate is not found in the cache, is read,
/// and from OpenSC 0.24 on lies behind the old one, which is what the next reading finds. A shorter one is a piece of the old.
#[test]
fn a_certificate_read_by_length_turns_old_with_the_second_reading() {
    if !kinds().any(|kind| kind == Kind::Tcos) {
        return;
    }
    let (_stand, mut card, host) = listed(Kind::Tcos);
    let (old, before) = (real(&card), card.certificate(0).der.clone());
    card.renew(0, 40);
    assert_eq!(shown(&host.pkcs15_list()), real(&card), "the first reading is right");
    let entry = format!("{}_NODATE_8000DF01C000", card.recipe().serial_text());
    let after = card.certificate(0).der.clone();
    assert_eq!(host.cache_files()[&entry], [before, after].concat());
    for _ in 0..3 {
        assert_eq!(shown(&host.pkcs15_list()), old, "and no further one");
    }

    let (_stand, mut card, host) = listed(Kind::Tcos);
    let old = real(&card);
    card.renew(0, 0);
    assert_eq!(peek(&host), old, "the same length: at once");
    card.renew(0, -40);
    assert_eq!(peek(&host), ["none".to_owned(), old[1].clone()], "a shorter one: unreadable");
}

/// Several certificates in one file, by offset and length.
#[test]
fn certificates_that_share_a_file_share_a_cached_one() {
    for kind in kinds().filter(|kind| kind.can_share_a_file()) {
        let stand = Stand::with_file_card(kind, &[]).0;
        let recipe = Recipe::new(kind, 2, &["one", "two"]).unwrap();
        let mut card = stand.file_card_of("shared", Recipe { layout: Layout::OneFile, ..recipe });
        stand.card().insert(card.file());
        let host = stand.host("alpha");
        host.caching("public");
        let old = real(&card);
        assert_eq!(shown(&host.pkcs15_list()), old, "{kind:?}: when nothing is cached");
        let warm = peek(&host);
        if opensc_version() >= Version::of(24) {
            assert_eq!(warm, old, "{kind:?}");
            card.renew(0, 0);
            assert_eq!(peek(&host), old, "{kind:?}: renewed");
        } else {
            // The file holds what was read last, from its first byte on.
            assert_ne!(warm, old, "{kind:?}");
        }
        assert_eq!(shown(&host.live().pkcs15_list()), real(&card), "{kind:?}");
    }
}

#[test]
fn of_two_cards_with_one_serial_the_first_is_shown() {
    for kind in kinds() {
        let (stand, card, host) = listed(kind);
        let mut other = stand.file_card("other", kind, 1, &["three", "four"]);
        other.renew_all(0);
        stand.card().insert(other.file());
        assert_eq!(peek(&host), real(&card), "{kind:?}");
        stand.card().insert(card.file());
        let different = stand.file_card("different", kind, 3, &["three", "four"]);
        stand.card().insert(different.file());
        assert_eq!(peek(&host), real(&different), "{kind:?}: another serial");
    }
}

/// A card that tells when it was changed is read anew, under another name.
#[test]
fn a_date_of_the_last_change_keeps_cards_apart() {
    let (stand, mut card) = Stand::with_file_card(Kind::Belpic, &["one"]);
    let host = stand.host("alpha");
    host.caching("public");
    let first = "20260101120000Z";
    card.change(|recipe| recipe.last_update = Some(first.to_owned()));
    host.pkcs15_list();
    let prefix = format!("{}_{first}_", card.recipe().serial_text());
    assert!(host.cache_names().iter().all(|name| name.starts_with(&prefix)), "{:?}", host.cache_names());
    card.change(|recipe| recipe.last_update = Some("20260201120000Z".to_owned()));
    card.renew(0, 0);
    assert_eq!(peek(&host), real(&card));
}
