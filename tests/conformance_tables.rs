//! What is expected of the files in shared/media/real that are not simply published exactly.

/// Files that are refused, and a part of the reason.
pub const REFUSED: &[(&str, &str)] = &[
    // The media is not all there.
    (
        "moz__invalid_userdata.mp4",
        "cut short: it holds none of the 5544 samples of track 1; number 1 ends at byte 136368, the file at byte 135418",
    ),
    ("mp4ff__init_truncated.mp4", "cut short: box 'moov' ends at byte 715, the file at byte 100"),
    ("media3__sample_fragmented_sideloaded_track.mp4", "no 'moov' box"),
    ("mp4ff__2xSencNoMdat.mp4", "no 'moov' box"),
    ("mp4ff__examples_combine-segs_testdata_V300_init.mp4", "the movie has no samples"),
    ("mp4ff__av1_multitile_init.mp4", "the movie has no samples"),
    ("mp4parser__redbull_100kbit_dash.mp4", "the movie has no samples"),
    ("mp4rs__minimal_init.mp4", "the movie has no samples"),
    ("shakaplayer__audio-ac-4.mp4", "the movie has no samples"),
    // Broken on purpose: an empty avcC (and a second chunk behind the end of the file).
    ("mediabunny__annex-b.mp4", "the decoder configuration is empty: the pictures are a byte stream"),
    // Encrypted.
    ("media3__sample_av1c_fragmented_clearkey.mp4", "sample entry 'encv': the track is encrypted"),
    // Codecs that ISO files have no registered entry for.
    ("mp4ff__audio_dec.mp4", "sample entry 'wma ': this codec is not carried"),
];

/// Accepted files with something wrong in them, and a part of each line that says so.
pub const FAULTS: &[(&str, &str)] = &[
    (
        "gomp4__sample_qt.mp4",
        "cut short: 27957 of 27958 samples of track 2 are left out; number 2 ends at byte 341518, the file at byte 340481",
    ),
    // There is no payload: what its index says is the first picture are bytes of the index.
    (
        "moz__zero_empty_stsc.mp4",
        "cut short: 1039 of 1040 samples of track 1 are left out; number 2 ends at byte 54304, the file at byte 48618",
    ),
];

/// Tracks of codecs that we carry which are left out of accepted files, and a part of the reason.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("gomp4__sample_qt.mp4", "cut short: it holds none of the 14315 samples of track 1"),
    ("moz__zero_empty_stsc.mp4", "cut short: it holds none of the 1952 samples of track 2"),
];

/// Files that ffprobe 5.1 cannot read, and why. Their boxes are compared all the same.
pub const NOT_PROBED: &[(&str, &str)] = &[
    ("media3__sample_fragmented_clearkey.mp4", "stops at the encryption boxes of the video track, which we leave out"),
    ("media3__sample_fragmented_widevine.mp4", "stops at the encryption boxes of the video track, which we leave out"),
    ("moz__sine-3s-xhe-aac-44khz-mono.mp4", "does not know xHE-AAC"),
];

/// Renditions whose edit list ffmpeg reads in another way.
pub const OTHER_EDITS: &[(&str, &str)] = &[
    // The edit begins in the middle of a picture. ffmpeg begins with the next picture instead and moves all times by the difference; by
    // ISO/IEC 14496-12 8.6.6 the rest of the picture is shown.
    ("media3__iibbibb_editlist_videoonly.mp4", "v1"),
    // There is no movie header, so ffmpeg knows no movie ticks and passes over the edit list; its media time is in ticks of the track.
    ("moz__no_timescale.mp4", "v1"),
];

/// Video whose boxes say that every sample is a sync sample, for they have no `stss`; and which of them are, by the pictures and by ffprobe.
pub const SYNC_BY_PICTURES: &[(&str, &[u32])] = &[("mp4parser__example-sans-amf0.mp4", &[0, 75, 150, 225, 300, 375, 450])];

/// Renditions that do not begin with a sync sample, because their source does not.
pub const FIRST_NOT_SYNC: &[(&str, &str)] = &[];

/// Files whose headers mp4parse 0.17 does not read, and why. Their boxes are compared all the same.
pub const NOT_BY_MP4PARSE: &[(&str, &str)] =
    &[("media3__video_dovi_3840x2160_30fps_dav1_10.mp4", "takes 'av1C' in 'av01' alone, where Dolby Vision has it in 'dav1' too")];

/// Sound in which not every sample is a sync sample, as the boxes of source and output both say. ffmpeg believes that of sample tables
/// alone: in a fragment it takes every sample of sound for one.
pub const NOT_ALL_SYNC: &[(&str, &str)] =
    &[("media3__sample_ac4.mp4", "a1"), ("media3__sample_mhm1_bl_cicp1.mp4", "a1"), ("media3__sample_mhm1_bl_configchange.mp4", "a1")];
