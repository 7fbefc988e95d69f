//! Owns the sockets of the server: accepting them, and the two things that
//! hyper cannot do to one, a reset and bytes that are not well-formed HTTP.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the connection at the next write.
#[derive(Debug)]
enum Order {
    /// RST, and nothing else.
    Reset,
    /// These bytes instead of hyper's, from the given one on; then FIN.
    Instead(Vec<u8>, usize),
}

/// Lets a handler give an order to its own connection. The handler answers
/// anything afterwards: what hyper writes then is what carries the order out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Mutex<Option<Order>>>);

impl Line {
    pub(crate) fn reset(&self) {
        *crate::locked(&self.0) = Some(Order::Reset);
    }

    pub(crate) fn write_instead(&self, bytes: Vec<u8>) {
        *crate::locked(&self.0) = Some(Order::Instead(bytes, 0));
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().line.clone()
    }
}

/// The listener.
#[derive(Debug)]
pub(crate) struct Door(pub(crate) TcpListener);

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // This waits and tries again where the system has no socket to give.
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Answers are small, and each is waited for. Without it they are only
        // later, so a failure is no reason to refuse.
        let _ = stream.set_nodelay(true);
        let line = Line::default();
        (Connection { stream, line }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// One socket, and the order about it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    line: Line,
}

impl Connection {
    /// Carries an order out if there is one. Ends with an error, upon which
    /// hyper drops the connection.
    fn poll_order(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut order = crate::locked(&self.line.0);
        match order.as_mut() {
            None => Poll::Ready(Ok(())),
            Some(Order::Reset) => {
                self.stream.set_zero_linger()?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            Some(Order::Instead(bytes, written)) => {
                while let Some(rest) = bytes.get(*written..)
                    && !rest.is_empty()
                {
                    let stream = Pin::new(&mut self.stream);
                    *written += ready!(stream.poll_write(context, rest))?;
                }
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_order(context))?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_order(context))?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_order(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
