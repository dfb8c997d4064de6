//! A real xfce4 panel on a test's desktop, for pictures of the item and of its open menu.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Desktop, Item};
use crate::watched::PATIENCE;

/// The panel's height, in pixels.
const HEIGHT: u32 = 32;

/// The panel's ground, and that of the menus that it opens.
#[derive(Debug, Clone, Copy)]
pub enum Ground {
    /// Dark words on light.
    Light,
    /// Light words on dark.
    Dark,
}

/// The panel along the lower edge of the screen, with nothing in it but the tray, at its right end.
#[derive(Debug)]
pub struct Panel<'a> {
    desktop: &'a Desktop,
}

impl<'a> Panel<'a> {
    /// Starts it and waits until items can come into it.
    pub async fn on(desktop: &'a mut Desktop, ground: Ground) -> Self {
        let config = desktop.home().join(".config");
        write(&config.join("xfce4/xfconf/xfce-perchannel-xml/xfce4-panel.xml"), &panel(ground));
        let dark = u8::from(matches!(ground, Ground::Dark));
        let settings = format!("[Settings]\ngtk-font-name=Inter 10\ngtk-application-prefer-dark-theme={dark}\n");
        write(&config.join("gtk-3.0/settings.ini"), &settings);
        let service = "[D-BUS Service]\nName=org.xfce.Xfconf\nExec=/bin/sh -c 'exec /usr/lib/*/xfce4/xfconf/xfconfd'\n";
        desktop.service("xfconf", service);
        desktop.companion("xfce4-panel", &["--disable-wm-check"]);
        let colour = match ground {
            Ground::Light => "xc:#cfd8dc",
            Ground::Dark => "xc:#37474f",
        };
        let size = format!("{}x{}", super::WIDTH, super::HEIGHT);
        // Its exit code says nothing: it is 1 when all went well, too.
        desktop.user("display").args(["-window", "root", "-size", &size, colour]).finish().await;
        let deadline = Instant::now() + PATIENCE;
        while !Item::can_be_listed(desktop.connection()).await {
            assert!(Instant::now() < deadline, "the panel does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { desktop }
    }

    /// The desktop that it is on.
    pub fn desktop(&self) -> &Desktop {
        self.desktop
    }

    /// The first item that is in it, once it is there.
    pub async fn item(&self) -> Item {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(item) = Item::listed(self.desktop.connection()).await {
                return item;
            }
            assert!(Instant::now() < deadline, "nothing comes into the panel's tray");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clicks the tray's right-most item and waits until its menu is open.
    pub async fn open_menu(&self) {
        let before = self.windows().await;
        let (x, y) = (super::WIDTH - HEIGHT / 2, super::HEIGHT - HEIGHT / 2);
        self.tool(&["mousemove", &x.to_string(), &y.to_string(), "click", "1"]).await;
        let deadline = Instant::now() + PATIENCE;
        while self.windows().await <= before {
            assert!(Instant::now() < deadline, "no menu opens");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes a picture of this part of the screen, from its lower right corner, once it stays as it is.
    pub async fn picture(&self, path: &Path, (width, height): (u32, u32)) {
        let part = format!("{width}x{height}+{}+{}", super::WIDTH - width, super::HEIGHT - height);
        let deadline = Instant::now() + PATIENCE;
        let mut last = Vec::new();
        loop {
            let taken = self.desktop.user("import").args(["-window", "root", "-crop", &part, "+repage"]);
            let taken = taken.arg("-strip").arg(path).finish().await;
            assert_eq!(taken.code, Some(0), "{taken:?}");
            let now = std::fs::read(path).expect("a picture was written");
            if now == last {
                return;
            }
            assert!(Instant::now() < deadline, "the screen does not come to rest");
            last = now;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many windows are to be seen.
    async fn windows(&self) -> usize {
        self.tool(&["search", "--onlyvisible", "--name", ""]).await.len()
    }

    async fn tool(&self, arguments: &[&str]) -> Vec<String> {
        self.desktop.user("xdotool").args(arguments).finish().await.out
    }
}

fn panel(ground: Ground) -> String {
    let dark = matches!(ground, Ground::Dark);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="{dark}"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=8;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="size" type="uint" value="{HEIGHT}"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-2" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
"#
    )
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}
