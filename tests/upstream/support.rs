//! A gateway in this process, and a browser on SockJS over WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sockjs_gateway::{
    Gateway, Origins, Server, ServerConfig, ServiceConfig, Upstream, UpstreamConfig,
};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Nothing here takes longer unless it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Address of a gateway whose service `/live` talks to `url`.
pub(crate) fn gateway(url: &str, config: UpstreamConfig) -> SocketAddr {
    let upstream = Upstream::new(url, config).expect("a valid URL");
    let mut service = ServiceConfig::new("/live");
    service.origins = Origins::Any;
    let gateway = Gateway::builder()
        .service(service, upstream)
        .build()
        .expect("a valid service");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(any, gateway, ServerConfig::default()).expect("a free port");
    let address = server.local_address().expect("bound");
    tokio::spawn(server.serve(std::future::pending()));
    address
}

/// A browser's end of a session.
pub(crate) struct Browser(WebSocketStream<TcpStream>);

impl Browser {
    pub(crate) async fn connect(gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway)
            .await
            .expect("the gateway accepts");
        let url = format!("ws://{gateway}/live/000/abcd/websocket");
        Self(
            tokio_tungstenite::client_async(url, stream)
                .await
                .expect("the gateway upgrades")
                .0,
        )
    }

    pub(crate) async fn send(&mut self, payload: &str) {
        self.0.send(Message::text(payload)).await.expect("sent");
    }

    /// The next SockJS frame.
    pub(crate) async fn frame(&mut self) -> String {
        loop {
            let message = tokio::time::timeout(LIMIT, self.0.next())
                .await
                .expect("a frame comes");
            if let Message::Text(text) = message.expect("the socket is open").expect("no error") {
                return text.as_str().to_owned();
            }
        }
    }
}
