"""The conversation service: what an agent behind it is asked and answers, and the application itself.

``pip install 'stopgap[service]'``, then ``stopgap service init`` and ``stopgap serve --agent module:function``.
"""

from stopgap.engine.integrations._extras import needs_extra

with needs_extra("service", "fastapi"):
    from stopgap.engine.service._actions import (
        Action,
        ActionSelected,
        AnnotationRetrieved,
        BehaviorRelevanceRetrieved,
        BehaviorSelected,
        BehaviorVectorGenerated,
        DecisionStarted,
        DesignatedToolCallParamsGenerated,
        DesignatedToolRetrieved,
        DynamicQueriesGenerated,
        EngagementOverridden,
        ExitConditionSelected,
        MemoriesExtracted,
        MemoryNeedChecked,
        MessageFragmentGenerated,
        NavigationOverridden,
        RecalledMemoryRetrieved,
        ReflectionGenerated,
        ReflectionStarted,
        StateTransitioned,
        StaticQueriesRetrieved,
        ToolCallEnded,
        ToolCallStarted,
        ToolOutputAvailable,
    )
    from stopgap.engine.service._agents import (
        Agent,
        AgentRequest,
        Answer,
        EndConversation,
        ExternalEvent,
        Message,
        Milestone,
        Speech,
        UserSaid,
    )
    from stopgap.engine.service._app import create_app
    from stopgap.engine.service._settings import ServiceConfig, ServiceSettings, SiteFillers, load_service_config
    from stopgap.engine.service.rules._signing import verified

__all__ = [
    "Action",
    "ActionSelected",
    "Agent",
    "AgentRequest",
    "AnnotationRetrieved",
    "Answer",
    "BehaviorRelevanceRetrieved",
    "BehaviorSelected",
    "BehaviorVectorGenerated",
    "DecisionStarted",
    "DesignatedToolCallParamsGenerated",
    "DesignatedToolRetrieved",
    "DynamicQueriesGenerated",
    "EndConversation",
    "EngagementOverridden",
    "ExitConditionSelected",
    "ExternalEvent",
    "MemoriesExtracted",
    "MemoryNeedChecked",
    "Message",
    "MessageFragmentGenerated",
    "Milestone",
    "NavigationOverridden",
    "RecalledMemoryRetrieved",
    "ReflectionGenerated",
    "ReflectionStarted",
    "ServiceConfig",
    "ServiceSettings",
    "SiteFillers",
    "Speech",
    "StateTransitioned",
    "StaticQueriesRetrieved",
    "ToolCallEnded",
    "ToolCallStarted",
    "ToolOutputAvailable",
    "UserSaid",
    "create_app",
    "load_service_config",
    "verified",
]
