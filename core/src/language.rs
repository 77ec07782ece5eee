//! Languages of tracks as manifests name them: the shortest tag of BCP 47.

use alloc::{format, string::String};

/// Two letters of ISO 639-1, then the codes of three letters of ISO 639-2 that mean the same: that of terminology and, where it is another,
/// that of bibliography. Ascending by the code of three letters.
const SHORT: &[u8] = b"\
aa:aar ab:abk af:afr ak:aka sq:alb am:amh ar:ara an:arg hy:arm as:asm av:ava ae:ave ay:aym az:aze ba:bak bm:bam eu:baq be:bel bn:ben \
bh:bih bi:bis bo:bod bs:bos br:bre bg:bul my:bur ca:cat cs:ces ch:cha ce:che zh:chi cu:chu cv:chv kw:cor co:cos cr:cre cy:cym cs:cze da:dan \
de:deu dv:div nl:dut dz:dzo el:ell en:eng eo:epo et:est eu:eus ee:ewe fo:fao fa:fas fj:fij fi:fin fr:fra fr:fre fy:fry ff:ful ka:geo \
de:ger gd:gla ga:gle gl:glg gv:glv el:gre gn:grn gu:guj ht:hat ha:hau he:heb hz:her hi:hin ho:hmo hr:hrv hu:hun hy:hye ig:ibo is:ice \
io:ido ii:iii iu:iku ie:ile ia:ina id:ind ik:ipk is:isl it:ita jv:jav ja:jpn kl:kal kn:kan ks:kas ka:kat kr:kau kk:kaz km:khm ki:kik \
rw:kin ky:kir kv:kom kg:kon ko:kor kj:kua ku:kur lo:lao la:lat lv:lav li:lim ln:lin lt:lit lb:ltz lu:lub lg:lug mk:mac mh:mah ml:mal \
mi:mao mr:mar ms:may mk:mkd mg:mlg mt:mlt mn:mon mi:mri ms:msa my:mya na:nau nv:nav nr:nbl nd:nde ng:ndo ne:nep nl:nld nn:nno nb:nob \
no:nor ny:nya oc:oci oj:oji or:ori om:orm os:oss pa:pan fa:per pi:pli pl:pol pt:por ps:pus qu:que rm:roh ro:ron ro:rum rn:run ru:rus \
sg:sag sa:san si:sin sk:slk sk:slo sl:slv se:sme sm:smo sn:sna sd:snd so:som st:sot es:spa sq:sqi sc:srd sr:srp ss:ssw su:sun sw:swa \
sv:swe ty:tah ta:tam tt:tat te:tel tg:tgk tl:tgl th:tha bo:tib ti:tir to:ton tn:tsn ts:tso tk:tuk tr:tur tw:twi ug:uig uk:ukr ur:urd \
uz:uzb ve:ven vi:vie vo:vol cy:wel wa:wln wo:wol xh:xho yi:yid yo:yor za:zha zh:zho zu:zul ";

/// The tag for what a file says: a code of ISO 639-2, or a tag already. Where a language has a code of two letters it is that (RFC 5646
/// 2.2.1, rule 1 of ISO 639); all else stays. `None`: it is no tag, or says that nothing is known.
pub fn tag(code: &str) -> Option<String> {
    let fits = |part: &str, letters: fn(&u8) -> bool| (1..=8).contains(&part.len()) && part.bytes().all(|byte| letters(&byte));
    let mut parts = code.split('-');
    let first = parts.next().is_some_and(|part| fits(part, u8::is_ascii_alphabetic));
    if !first || !parts.all(|part| fits(part, u8::is_ascii_alphanumeric)) || code.eq_ignore_ascii_case("und") {
        return None;
    }
    let (language, rest) = code.split_once('-').map_or((code, None), |(language, rest)| (language, Some(rest)));
    let known = SHORT.chunks_exact(7).find_map(|entry| match entry {
        [a, b, _, long @ .., _] if long.eq_ignore_ascii_case(language.as_bytes()) => Some([char::from(*a), char::from(*b)]),
        _ => None,
    });
    let language: String = known.map_or_else(|| language.to_ascii_lowercase(), |short| short.iter().collect());
    Some(rest.map_or(language.clone(), |rest| format!("{language}-{rest}")))
}

/// The codes of bibliography in [`SHORT`] that have one of terminology beside them (ISO 639-2/B).
const BIBLIOGRAPHY: [&[u8; 3]; 20] = [
    b"alb", b"arm", b"baq", b"bur", b"chi", b"cze", b"dut", b"fre", b"geo", b"ger", b"gre", b"ice", b"mac", b"mao", b"may", b"per", b"rum",
    b"slo", b"tib", b"wel",
];

/// The code of three letters for the language of a tag, as `mdhd` has it (ISO/IEC 14496-12 8.4.2; ISO 639-2/T); `None`: it has none.
pub fn terminology_code(tag: &str) -> Option<String> {
    let language = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    match language.len() {
        3 => Some(language),
        2 => SHORT.chunks_exact(7).find_map(|entry| {
            let (short, long) = (entry.get(..2)?, entry.get(3..6)?);
            let fits = short == language.as_bytes() && !BIBLIOGRAPHY.iter().any(|code| code.as_slice() == long);
            fits.then(|| long.iter().copied().map(char::from).collect())
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_tag() {
        for (code, expected) in [
            ("eng", "en"),
            ("deu", "de"),
            ("ger", "de"),
            ("fre", "fr"),
            ("zho", "zh"),
            ("aar", "aa"),
            ("zul", "zu"),
            ("zxx", "zxx"),
            ("mul", "mul"),
            ("haw", "haw"),
            ("en", "en"),
            ("eng-US", "en-US"),
            ("zh-Hant-TW", "zh-Hant-TW"),
            ("ENG", "en"),
        ] {
            assert_eq!(tag(code).as_deref(), Some(expected), "{code}");
        }
        for code in ["und", "", "e n", "en-", "1en", "enenenenen"] {
            assert_eq!(tag(code), None, "{code}");
        }
    }

    #[test]
    fn codes_of_terminology() {
        for (tag, expected) in [("en", "eng"), ("de", "deu"), ("fr-CA", "fra"), ("cs", "ces"), ("haw", "haw"), ("ZH-Hant", "zho")] {
            assert_eq!(terminology_code(tag).as_deref(), Some(expected), "{tag}");
        }
        assert_eq!((terminology_code("xx"), terminology_code(""), terminology_code("english")), (None, None, None));
        // Each leads back.
        for short in SHORT.chunks_exact(7).filter_map(|entry| core::str::from_utf8(&entry[..2]).ok()) {
            assert_eq!(tag(&terminology_code(short).unwrap()).as_deref(), Some(short));
        }
    }

    #[test]
    fn the_table_is_whole() {
        assert_eq!(SHORT.len() % 7, 0);
        let entries: std::vec::Vec<&[u8]> = SHORT.chunks(7).collect();
        assert_eq!(entries.len(), 184 + 20, "the languages of ISO 639-1 and the codes of bibliography");
        for entry in &entries {
            assert!(entry[2] == b':' && entry[6] == b' ', "{entry:?}");
        }
        assert!(entries.windows(2).all(|pair| pair[0][3..6] < pair[1][3..6]));
    }
}
