//! The flags for the way to a gateway: whom to trust, who we are, and the proxy.

use std::path::PathBuf;

use clap::Args;
use culvert_profiles::{Key, Origin, Settings, Sourced};

use crate::args::{TokenText, about};

/// How connections to a gateway are made.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WayArgs {
    #[arg(long, value_name = "FILE", help_heading = "Gateway", help = about(
        Key::CaCert, "Check the gateway's certificate against the authorities in this PEM file, and no others"
    ))]
    ca_cert: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help_heading = "Gateway", help = about(
        Key::ClientCert, "Show this certificate (PEM, with its chain) to a gateway that asks for one"
    ))]
    client_cert: Option<PathBuf>,

    #[arg(long, value_name = "FILE", help_heading = "Gateway", help = about(
        Key::ClientKey, "Its private key (PEM) [default: in the same file]"
    ))]
    client_key: Option<PathBuf>,

    #[arg(long, value_name = "REFERENCE", help_heading = "Gateway", help = about(
        Key::ClientKeyPassphrase, "What that key is encrypted with, as env:NAME, file:PATH, keychain:NAME or command:…"
    ))]
    client_key_passphrase: Option<TokenText>,

    #[arg(long, value_name = "URL", help_heading = "Gateway", help = about(
        Key::Proxy,
        "Go through this proxy: http://, https:// or socks5://; with a password in it, env:NAME, file:PATH or the like \
         [default: HTTPS_PROXY or ALL_PROXY, but for NO_PROXY and this machine]"
    ))]
    proxy: Option<TokenText>,
}

impl WayArgs {
    /// `settings` with what these flags say.
    pub(crate) fn over(&self, settings: Settings) -> Settings {
        fn given<T: Clone>(value: Option<&T>, key: Key) -> Option<Sourced<T>> {
            let flag = key.about().flag?;
            value.cloned().map(|value| Sourced::new(value, Origin::Flag(flag)))
        }
        Settings {
            ca_cert: given(self.ca_cert.as_ref(), Key::CaCert),
            client_cert: given(self.client_cert.as_ref(), Key::ClientCert),
            client_key: given(self.client_key.as_ref(), Key::ClientKey),
            client_key_passphrase: given(
                self.client_key_passphrase.as_ref().map(|text| &text.0),
                Key::ClientKeyPassphrase,
            ),
            proxy: given(self.proxy.as_ref().map(|text| &text.0), Key::Proxy),
            ..settings
        }
    }
}
