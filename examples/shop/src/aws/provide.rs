//! What is to be in the account.

use anyhow::Context;
use fanfare::Topology;
use fanfare_infra::{Deployment, Report};

use super::Aws;
use crate::tables;

impl Aws {
    /// Makes topics, queues and tables that aren't there; what is there stays as it is.
    ///
    /// # Errors
    /// Something is there with other settings, or AWS refuses a call.
    pub async fn provide(&self, topology: &Topology) -> anyhow::Result<Report> {
        let caller = fanfare_infra::caller(&self.config).await?;
        let deployment = Deployment::new(&self.config, &caller, topology);
        let deployment = tables::described()
            .into_iter()
            .fold(deployment, Deployment::table);
        deployment.provision().await.context("can't provision")
    }
}
