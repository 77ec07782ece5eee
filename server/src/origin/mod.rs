//! The origin: a resource in, a representation out. Nothing here knows by which transport a request came.

mod api;
mod assets;
mod encryption;
mod library;
mod live;
mod media;
mod page;
mod streams;
mod texts;
mod title;
mod vod;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use reelway_core::protection::Scheme;
use tokio::{sync::Mutex, task::spawn_blocking};

use crate::{
    auth::Secret,
    content_key::MediaKeys,
    http::{AssetPath, Coding, Handler, LivePart, Representation, Request, Resource, Response, Under, VodPart, options, problem, respond},
    live::Streams,
};
pub use api::ServerInfo;
use assets::Assets;
use encryption::{AssetKeys, clear_key};
use library::Library;
pub(crate) use library::{IMAGES, plays};
pub(crate) use vod::write_chapters;

/// Why there is no representation.
#[derive(Debug)]
enum Fault {
    /// No such thing.
    NotFound,
    /// The media is at fault.
    Media(String),
    /// The machine is at fault.
    Io(std::io::Error),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        // A socket, or a link that leads to itself.
        let unreachable = [rustix::io::Errno::NXIO, rustix::io::Errno::LOOP].map(|errno| Some(errno.raw_os_error()));
        match error.kind() {
            // Who asks for what may not be read learns no more than that it is not served.
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename => Self::NotFound,
            _ if unreachable.contains(&error.raw_os_error()) => Self::NotFound,
            _ => Self::Io(error),
        }
    }
}

/// What the web app may do (CSP 3): play what players put together (they begin a track of subtitles with an empty one in a `data:` address),
/// compile the media core for what it uploads, with the workers that Video.js makes, and nothing that does not come from here.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
                           media-src 'self' blob: data:; worker-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/// And that it stands in no frame of another page. The player alone may.
const NO_FRAME: &str = "frame-ancestors 'none'";

/// Serves a folder of media, live streams and the web app.
pub struct Origin {
    assets: Arc<Assets>,
    library: Arc<Mutex<Library>>,
    server: ServerInfo,
    streams: Arc<Streams>,
}

impl Origin {
    /// Serves the files below `media`, which must be a folder that can be read; without one there is nothing in the library.
    pub fn new(media: Option<&Path>, server: ServerInfo) -> std::io::Result<Self> {
        Self::with_live(media, server, Arc::default())
    }

    /// The same, with these live streams and their recordings.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_live(media: Option<&Path>, server: ServerInfo, streams: Arc<Streams>) -> std::io::Result<Self> {
        let keys = AssetKeys::without_secret(streams.config().clone());
        Self::with_keys(media, server, streams, keys)
    }

    fn with_keys(media: Option<&Path>, server: ServerInfo, streams: Arc<Streams>, keys: AssetKeys) -> std::io::Result<Self> {
        let mut assets = Assets::open(media)?.with_keys(keys);
        if let Some(folder) = streams.recordings() {
            assets = assets.with_recordings(folder.into());
        }
        Ok(Self { assets: Arc::new(assets), library: Arc::default(), server, streams })
    }

    /// The same, with what the configuration of the live streams says to encrypt encrypted with keys of `secret`. Without it, that is not
    /// served.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_secret(media: Option<&Path>, server: ServerInfo, streams: Arc<Streams>, secret: Secret) -> std::io::Result<Self> {
        let keys = AssetKeys::new(streams.config().clone(), secret);
        Self::with_keys(media, server, streams, keys)
    }

    /// The same, with the ladders of uploads that are in `folder`, which need not exist yet.
    #[must_use]
    pub fn with_ladders(mut self, folder: PathBuf) -> Self {
        if let Some(assets) = Arc::get_mut(&mut self.assets) {
            assets.ladders = Some(folder);
        }
        self
    }

    /// The live streams.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// How often the index of a file was found in memory, and how often it had to be read.
    pub fn index_cache(&self) -> (u64, u64) {
        self.assets.index_cache()
    }

    /// Answers a request for `resource`, which its path names.
    pub async fn serve(&self, resource: Option<Resource>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let mut response = match resource {
            Some(Resource::Vod(path, VodPart::ClearKey)) => {
                Box::pin(clear_key(&parts.method, body, async |kids| Some(self.key(path).await?.licence(kids)))).await
            }
            Some(Resource::Live(name, LivePart::ClearKey)) => {
                Box::pin(clear_key(&parts.method, body, async |kids| live::licence(&self.streams, &name, kids).await)).await
            }
            resource => self.answer((&parts.method, &parts.headers), &parts.uri, resource, parts.extensions.get()).await,
        };
        share(response.headers_mut());
        response
    }

    async fn answer(
        &self,
        (method, fields): (&Method, &HeaderMap),
        uri: &Uri,
        resource: Option<Resource>,
        under: Option<&Under>,
    ) -> Response {
        let path = uri.path();
        // RFC 9110 9.3.7: `*` is the server as a whole.
        if *method == Method::OPTIONS && (path == "*" || resource.is_some()) {
            return options();
        }
        let Some(resource) = resource else { return not_found() };
        let keys = under.and_then(|under| Some((under, self.keys_at(&resource)?)));
        let plain = keys.as_ref().map(|_| Under::plain(fields));
        let fields = plain.as_ref().unwrap_or(fields);
        let told = |representation| match &keys {
            Some((under, path)) => under.names(path, representation),
            None => representation,
        };
        if let Resource::Live(name, part) = &resource {
            return live::answer(&self.streams, (method, fields), name, part, uri.query().unwrap_or_default(), told).await;
        }
        let page = if let Resource::Page(path) = &resource { Some(page::is_embedded(path)) } else { None };
        match self.represent(resource, Coding::preferred(fields)).await {
            Ok(representation) => {
                let mut response = respond(method, fields, told(representation));
                if let Some(embedded) = page {
                    let headers = response.headers_mut();
                    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
                    if !embedded {
                        headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NO_FRAME));
                    }
                }
                response
            }
            Err(Fault::NotFound) => not_found(),
            Err(Fault::Media(detail)) => problem(StatusCode::UNPROCESSABLE_ENTITY, &detail),
            Err(Fault::Io(error)) => {
                tracing::error!(path, %error, "cannot read");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read")
            }
        }
    }

    /// Where a manifest says that there are keys as W3C ClearKey, if it says so.
    fn keys_at(&self, resource: &Resource) -> Option<String> {
        match resource {
            Resource::Vod(path, part) if part.is_manifest() && self.assets.keys().is_encrypted(path) => {
                Some(format!("/vod/{}/clearkey", path.url()))
            }
            Resource::Live(name, part) if part.is_manifest() => {
                self.streams.get(name)?.keys.as_ref().map(|_| format!("/live/{name}/clearkey"))
            }
            _ => None,
        }
    }

    async fn represent(&self, resource: Resource, preferred: Coding) -> Result<Representation, Fault> {
        let assets = Arc::clone(&self.assets);
        match resource {
            Resource::Page(path) => page::represent(&path, preferred).ok_or(Fault::NotFound),
            Resource::Health | Resource::Ready => Ok(api::alive()),
            Resource::ApiServer => Ok(self.server.represent(preferred)),
            Resource::ApiAssets => self.list(preferred).await,
            Resource::ApiStreams => Ok(streams::list(&self.streams).represent(preferred)),
            Resource::ApiTime => Ok(api::time(self.streams.clock().now())),
            Resource::ApiDescription => Ok(api::description(preferred)),
            // Of a live stream there is more to say than a representation does; encoders and jobs are answered elsewhere.
            Resource::Live(..) | Resource::Ingest(_) | Resource::Whip(_) | Resource::ApiJobs(_) | Resource::ApiStream(_) => {
                Err(Fault::NotFound)
            }
            Resource::Media(path) => match media::represent_at_hand(&assets, &path) {
                Some(representation) => Ok(representation),
                None => blocking(move || media::represent(&assets, &path)).await,
            },
            Resource::Vod(path, part) => match vod::represent_at_hand(&assets, &path, &part) {
                Some(represented) => represented,
                None => blocking(move || vod::represent(&assets, &path, &part, preferred)).await,
            },
        }
    }

    /// What the samples of an asset are encrypted with.
    async fn key(&self, path: AssetPath) -> Option<MediaKeys> {
        let assets = Arc::clone(&self.assets);
        let known = spawn_blocking(move || assets.asset(&path).ok().map(|(_, known)| known)).await.ok().flatten()?;
        known.as_ref().as_ref().ok()?.key().filter(|key| key.scheme != Scheme::Aes128).cloned()
    }

    /// Reads the library, so that the first to ask for it need not wait.
    pub fn warm(&self) -> impl Future<Output = ()> + Send + use<> {
        let list = self.list(Coding::Identity);
        async {
            if let Err(fault) = list.await {
                tracing::warn!(?fault, "the media folder cannot be listed");
            }
        }
    }

    fn list(&self, preferred: Coding) -> impl Future<Output = Result<Representation, Fault>> + Send + use<> {
        let (library, assets) = (Arc::clone(&self.library), Arc::clone(&self.assets));
        async move {
            // Whoever asks while the folder is read waits here, and holds no thread.
            let mut library = library.lock_owned().await;
            blocking(move || {
                let listing = library.listing(&assets)?;
                drop(library);
                Ok(listing.represent(preferred))
            })
            .await
        }
    }
}

/// Does work that may wait for a disk on a thread that may wait.
async fn blocking<F>(work: F) -> Result<Representation, Fault>
where
    F: FnOnce() -> Result<Representation, Fault> + Send + 'static,
{
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Fault::Io(std::io::Error::other(error))))
}

impl Handler for Origin {
    async fn handle(&self, request: Request) -> Response {
        self.serve(Resource::parse(request.uri().path()), request).await
    }
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "there is nothing here")
}

/// Lets pages of other origins read responses and their timing (Fetch 3.3, Resource Timing 4.5); all is public.
pub(crate) fn share(headers: &mut HeaderMap) {
    const EXPOSED: &str = "Age, Date, ETag, Location, Content-Length, Content-Range, Accept-Ranges, CMSD-Static, CMSD-Dynamic";
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.insert("timing-allow-origin", HeaderValue::from_static("*"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
