//! The in-process broker as a transport, on tokio's paused clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fanfare::fault::FaultPlan;
use fanfare::host::Host;
use fanfare::memory::{Broker, Entry, MemoryPublisher, MemoryQueue, set_up};
use fanfare::port::{BoxFuture, Completed, Publish};
use fanfare::{Attributes, Clock, RouterService, Topology, dead_letter_name, queue_name};
use tokio::runtime::Runtime;

use super::{Transport, World};

/// The in-process broker of fanfare itself.
#[derive(Clone, Copy, Debug)]
pub struct InProcess;

/// Topics and queues of a broker.
#[derive(Clone, Debug)]
pub struct Topics {
    broker: Broker,
    topology: Topology,
}

impl Transport for InProcess {
    type World = Topics;

    fn runtime(&self) -> std::io::Result<Runtime> {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
    }

    async fn world(&self, topology: &Topology) -> anyhow::Result<Topics> {
        // Paused along with the runtime, as its age decides what becomes of an unknown type.
        let clock = Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000));
        let broker = Broker::new(clock, FaultPlan::none());
        set_up(&broker, topology)?;
        Ok(Topics {
            broker,
            topology: topology.clone(),
        })
    }
}

impl Topics {
    fn queue_of(&self, consumer: &str) -> String {
        let fifo = self
            .topology
            .consumer(consumer)
            .is_some_and(|consumer| consumer.fifo);
        queue_name(&self.topology.app, consumer, fifo)
    }
}

impl World for Topics {
    type Queue = MemoryQueue;

    fn publisher(&self) -> Arc<dyn Publish> {
        Arc::new(MemoryPublisher::new(self.broker.clone(), &*self.topology.app))
    }

    fn queue(&self, consumer: &str) -> MemoryQueue {
        MemoryQueue::new(self.broker.clone(), self.queue_of(consumer))
    }

    fn dead_letters(&self, consumer: &str) -> MemoryQueue {
        MemoryQueue::new(self.broker.clone(), dead_letter_name(&self.queue_of(consumer)))
    }

    async fn redrive(&self, consumer: &str) -> anyhow::Result<()> {
        self.broker
            .redrive(&dead_letter_name(&self.queue_of(consumer)), None, usize::MAX)?;
        Ok(())
    }

    async fn send(&self, consumer: &str, body: &str, attributes: Attributes) -> anyhow::Result<()> {
        let entry = Entry {
            attributes,
            ..Entry::new(body)
        };
        self.broker.send(&self.queue_of(consumer), entry)?;
        Ok(())
    }

    fn serve(
        &self,
        service: RouterService,
        completed: Option<Arc<dyn Completed>>,
        shutdown: BoxFuture<'static, ()>,
    ) -> BoxFuture<'static, ()> {
        let queue = self.queue(service.consumer());
        let mut host = Host::of(queue, &service).clock(self.clock());
        if let Some(inbox) = completed {
            host = host.completed(inbox);
        }
        Box::pin(host.serve(service, shutdown))
    }

    fn clock(&self) -> Clock {
        self.broker.clock()
    }
}
