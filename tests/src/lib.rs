//! Fixtures: media files and where they are, files made to measure, and other people's readers to judge ours by.
//!
//! | what is wanted | where |
//! |---|---|
//! | real files, broken files, ffmpeg's files | [`files`], [`synthetic`] |
//! | a small movie with given samples, made without ffmpeg | [`movie`] |
//! | the same as a stream of fragments, in all the forms that encoders write | [`stream`] |
//! | a live stream under a clock that the test sets | [`live`] |
//! | a file in another box layout | [`layout`] |
//! | a file with one box changed | [`surgery`] |
//! | messages with closed captions in them | [`captions`] |
//! | a source of text in WebVTT samples | [`cues`] |
//! | what ffprobe and ffmpeg say of a file | [`ffmpeg`] |
//! | what stands in the boxes of a published rendition, read by mp4-atom | [`published`] |
//! | encrypted samples decrypted by a plain reading of the standard | [`decrypt`] |
//! | what stands in the manifests | [`manifests`], [`schema`] |
//! | whether JSON is as the API describes it | [`description`] |
//! | the `reelway` binary | [`program`] |
//! | a film that is uploaded by segments, uploads that are cut off | [`film`], [`cuts`] |
//! | what fuzz targets do with any bytes | [`fuzzing`] |
//! | a job for each item on all processors | [`parallel`] |

pub mod captions;
pub mod cues;
pub mod cuts;
pub mod decrypt;
pub mod description;
pub mod ffmpeg;
pub mod files;
pub mod film;
pub mod fuzzing;
pub mod layout;
pub mod live;
pub mod manifests;
pub mod movie;
pub mod parallel;
pub mod program;
pub mod published;
pub mod schema;
pub mod stream;
pub mod surgery;
pub mod synthetic;
